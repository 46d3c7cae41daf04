"""What the dual encoder is compared with: pSp and ReStyle; PULSE and W+ optimisation are in `idnb.inversion`."""

__all__: list[str] = []
