"""The demo: recorded real traffic, a silent change, and the loop that notices and answers it."""
