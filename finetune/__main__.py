"""`python -m driftline.finetune`."""

from driftline.finetune.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
