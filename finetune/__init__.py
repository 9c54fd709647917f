"""Fine-tuning: a job leased from the collector becomes a gated, registered LoRA adapter.

    python -m driftline.finetune --once

cli.py        the process: flags, health, signals
trainer.py    lease a job, run it, hand in the result
job.py        one job: five stages, each resumable (spec.py, progress.py, folder.py, lineage.py)
dataset.py    traffic → train, validation, test (filters.py, duplicates.py, splits.py, prompt.py)
candidate.py  the base model with its LoRA adapter (batches.py)
pilot.py      a few steps first: does it learn, how long will it take
train.py      the loop (schedule.py, checkpoint.py)
gate.py       promote or reject (target.py: paired likelihood; retention.py: is it still itself)
registry.py   the adapter and its manifest on disk
"""
