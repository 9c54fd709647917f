"""What benchmarks of the collector share: spans of realistic text and processes that send them."""
