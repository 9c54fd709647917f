"""The SDK: log what your language model does, and read it back."""
