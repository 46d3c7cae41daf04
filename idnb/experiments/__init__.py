"""The paper's tables and figures, run again: the one folder that may know both training and evaluation."""

__all__: list[str] = []
