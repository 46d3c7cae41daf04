"""Drawing synthetic people (extra `render`).

Read in this order: `people` (who they are), `head`, `hair`, `strands` and `glasses` (their shape), `colours`, `light`,
`raster` and `paint`, `scene` (the camera), `portrait` (a person sits for a picture), `sets` (many people in a folder),
`ideals` (people sit for each other's pictures), `check` (are they good?); the command is `idnb.cli.render`.
"""

__all__: list[str] = []
