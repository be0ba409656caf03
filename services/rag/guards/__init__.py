"""What stands between a caller and the answer: personal data taken out, blocked topics refused."""
