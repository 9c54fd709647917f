"""What the three SDK benchmarks share: the contenders, the sink, a real collector, tables."""
