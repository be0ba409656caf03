"""One module a surface; each turns HTTP into one gRPC call and back."""
