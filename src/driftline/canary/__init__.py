"""`driftline canary`: a deployed model is asked the same prompts again: does it say the same?

prompts: what is asked. model: who answers. run: asking, with a journal. report: what came of it.
"""
