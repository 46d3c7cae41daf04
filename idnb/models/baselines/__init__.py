"""The methods that the dual encoder is compared with: pSp, ReStyle, PULSE; W+ optimisation is `idnb.inversion`."""

__all__: list[str] = []
