"""What the documents hold on a question: found, ranked, and judged whether it answers."""
