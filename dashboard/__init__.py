"""The Streamlit dashboard: reads the collector's HTTP API through the SDK, and nothing else."""
