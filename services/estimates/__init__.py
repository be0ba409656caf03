"""What more than one service computes and none serves: estimates of capacity, of a text's answer, of the next token."""
