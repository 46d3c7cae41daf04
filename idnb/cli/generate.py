"""`idnb generate`: a face with the contour of one file and the identity of another; files or whole folders."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from idnb.cli.arguments import STEPS
from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.contours.kinds import CONTOURS, contour_kind
from idnb.core.errors import InputError, InputErrors
from idnb.core.folders import list_files
from idnb.core.images import save_png, tile
from idnb.core.messages import printable
from idnb.core.pictures import PICTURE_SUFFIXES
from idnb.core.presets import Preset, get_preset
from idnb.core.tensor_files import write_tensors
from idnb.faces.photo import photo_to_tensor
from idnb.models.contour_encoder import SMALLEST_FACE, ContourEncoder, Result

__all__ = ["Pair", "add_arguments", "find_pairs", "read_contour", "read_face", "run", "write_result"]


class Pair(NamedTuple):
    """One face to make: file of the contour, file of the identity, and where the image goes."""

    contour: Path
    identity: Path
    out: Path

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """What is written: the image, the strip of all steps, the latents."""
        return (self.out, self.out.with_name(f"{self.out.stem}_steps.png"), self.out.with_suffix(".safetensors"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb generate`."""
    add = parser.add_argument
    add("--contour", required=True, help="a file, or a folder of them: where the contour comes from")
    add("--contour-kind", required=True, choices=[*CONTOURS, "photo"], help="what that file is")
    add("--as", dest="derived", default=None, choices=list(CONTOURS), help="of a photo: the contour to derive from it")
    add("--identity", required=True, help="an aligned face, or a folder of them: who shall be seen")
    add("--align", action="store_true", help="find the face in each photo and cut it out first")
    add("--steps", type=STEPS, default=None, help="refinement steps (default: what the encoder is made for)")
    add("--out", required=True, help="the PNG to write; of folders, a folder")
    add_overwrite(parser)
    add("--by-name", action="store_true", help="of two folders: pair files of the same name, not each with each")
    add("--order", default=None, help="of label maps, checked if not given: celebamask, or face-parsing (hair is 17)")
    add("--preset", default="tiny", help="sizes: tiny or paper")
    add("--encoder", default=None, help="a file of your own: checkpoint.pt or .safetensors")
    add("--generator", default=None, help="a generator of your own")
    add("--device", default=None, help="cpu, cuda, mps; the fastest there is when not given")


def run(args: argparse.Namespace) -> int:
    """Make all faces that were asked for."""
    from idnb.env import pick_device
    from idnb.models.encoder_files import load_encoder
    from idnb.models.stylegan2_files import load_generator

    kind = contour_of(args.contour_kind, args.derived)
    preset = get_preset(args.preset)
    pairs = find_pairs(args.contour, args.identity, args.out, args.by_name)
    inputs = [file for pair in pairs for file in (pair.contour, pair.identity)]
    inputs += [Path(file) for file in (args.encoder, args.generator) if file is not None]
    made = [(f"{pair.contour.name} with {pair.identity.name}", pair.files) for pair in pairs]
    check_outputs(made, inputs, args.overwrite)
    device = pick_device(args.device)
    encoder = load_encoder(preset.name, kind, args.encoder, device)
    generator = load_generator(preset.name, args.generator, str(device))
    for folder in dict.fromkeys((Path(args.contour), Path(args.identity))):
        tell_left_out(folder)

    def contour_from(path: Path) -> Tensor:
        return read_contour(path, args.contour_kind, preset, args.derived, args.align, args.order)

    contours, faces = _Readings(contour_from), _Readings(lambda path: read_face(path, preset.image_size, args.align))
    made_none = 0
    for pair in pairs:
        x_c, x_id = contours.read(pair.contour), faces.read(pair.identity)
        if x_c is None or x_id is None:
            made_none += 1
            continue
        result = encoder.generate(generator, x_c, x_id, args.steps)
        for path in write_result(pair, encoder, x_c, x_id, result):
            print(printable(path))
    bad = [*contours.faults.values(), *faces.faults.values()]
    if len(pairs) == 1 and bad:
        raise bad[0]
    if bad:
        first = f"{made_none:,} of {len(pairs):,} faces were not made, for these files cannot be used:"
        raise InputErrors("\n".join([first, *(f"  {printable(error)}" for error in bad)]))
    return 0


class _Readings:
    """What was read of files, once each; a file that cannot be used is noted in `faults` and read as None."""

    def __init__(self, read_file: Callable[[Path], Tensor]) -> None:
        self._read_file = read_file
        self._found: dict[Path, Tensor] = {}
        self.faults: dict[Path, InputError] = {}

    def read(self, path: Path) -> Tensor | None:
        if path not in self._found and path not in self.faults:
            try:
                self._found[path] = self._read_file(path)
            except InputError as error:
                self.faults[path] = error
        return self._found.get(path)


def contour_of(said: str, derived: str | None) -> str:
    """The kind of contour that the encoder will read, from `--contour-kind` and `--as`."""
    if said == "photo":
        if derived is None:
            raise InputError(f"--contour-kind photo: say with --as which contour to derive: {', '.join(CONTOURS)}")
        return derived
    if derived is not None:
        raise InputError(f"--as {derived}: only for --contour-kind photo; this file is a {said} contour already")
    return said


def pictures_in(path: Path, option: str) -> list[Path]:
    """The picture files of a folder by name, or the one file."""
    if path.is_dir():
        found = list_files(path, deep=False).with_suffix(PICTURE_SUFFIXES)
        if not found:
            raise InputError(f"{option} {path}: no picture in this folder ({', '.join(PICTURE_SUFFIXES)})")
        return [path / name for name in found]
    if not path.exists():
        raise InputError(f"{option} {path}: no such file or folder")
    return [path]


def tell_left_out(path: Path, most: int = 10) -> None:
    """Say on stderr which files of a folder are not used, and why."""
    if not path.is_dir():
        return
    listing = list_files(path, deep=False)
    left_out = [f"{name} ({why})" for name, why, _ in listing.left_out]
    pictures = set(listing.with_suffix(PICTURE_SUFFIXES))
    left_out += [f"{name} (is no picture)" for name in listing.names if name not in pictures]
    if left_out:
        more = f" and {len(left_out) - most:,} more" if len(left_out) > most else ""
        print(printable(f"{path}: left out are {', '.join(left_out[:most])}{more}"), file=sys.stderr)


def find_pairs(contour: str | Path, identity: str | Path, out: str | Path, by_name: bool = False) -> list[Pair]:
    """What to make of two files or folders.

    contour, identity: a file or a folder each. out: a file for two files, else a folder. by_name: pair files of two
    folders that have the same name (without suffix); otherwise each contour meets each identity.
    Returns the pairs. Raises InputError for missing files, names without partner, an `out` of the wrong sort.
    """
    contour, identity, out = Path(contour), Path(identity), Path(out)
    contours, identities = pictures_in(contour, "--contour"), pictures_in(identity, "--identity")
    if not contour.is_dir() and not identity.is_dir() and not by_name:
        if out.is_dir():
            out = out / f"{contour.stem}__{identity.stem}.png"
        if out.suffix.lower() != ".png":
            raise InputError(f"--out {out}: a file that ends in .png, or a folder that exists")
        return [Pair(contours[0], identities[0], out)]
    if out.is_file() or out.suffix.lower() in PICTURE_SUFFIXES:
        raise InputError(f"--out {out}: several faces are made; give a folder")
    for option, folder in (("--contour", contour), ("--identity", identity)):
        if folder.is_dir() and out.is_dir() and folder.samefile(out):
            raise InputError(f"--out {out}: is the folder of {option}, where results would be taken for inputs")
    if not by_name:
        return [Pair(c, i, out / f"{c.stem}__{i.stem}.png") for c in contours for i in identities]
    if not (contour.is_dir() and identity.is_dir()):
        raise InputError("--by-name: --contour and --identity are two folders then")
    for folder, files in ((contour, contours), (identity, identities)):
        names = Counter(path.stem for path in files)
        if twice := [path.name for path in files if names[path.stem] > 1]:
            raise InputError(f"--by-name: {folder} has more than one picture of a name: {', '.join(twice[:5])}")
    partners = {path.stem: path for path in identities}
    lonely = [path.name for path in contours if path.stem not in partners]
    if lonely:
        raise InputError(f"--by-name: {identity} has no picture called like {', '.join(lonely[:5])}")
    return [Pair(c, partners[c.stem], out / f"{c.stem}.png") for c in contours]


def read_face(path: Path, size: int, align: bool = False) -> Tensor:
    """An aligned face from a file, [1, 3, H, H] in [-1, 1].

    size: side to which a face is cut out. align: find the face first; else the file must be square.
    """
    if align:
        from idnb.faces.align import align_face

        return align_face(path, size).image[None]  # [1, 3, size, size]
    picture = photo_to_tensor(path)[None]  # [1, 3, H, W]
    if picture.shape[-1] != picture.shape[-2]:
        height, width = picture.shape[-2:]
        raise InputError(f"{path} is {width} x {height}, not an aligned face; add --align to find the face in it")
    if picture.shape[-1] < SMALLEST_FACE:
        raise InputError(f"{path} has {picture.shape[-1]} pixels a side; a face has {SMALLEST_FACE} or more")
    return picture


def read_contour(
    path: Path, said: str, preset: Preset, derived: str | None = None, align: bool = False, order: str | None = None
) -> Tensor:
    """A contour from a file, batch of one, laid out as `contour_kind(kind).make` does.

    said: a kind of contour, or "photo" from which a `derived` one is made. align: find the face in the photo first.
    order: of the classes in a label map, None for that of CelebAMask-HQ. Raises InputError where it does not belong.
    """
    if said != "photo":
        options = {} if order is None else {"order": order}
        return contour_kind(said).sized(preset.low_res_size).read(path, preset.encoder_size, **options)
    photo = read_face(path, preset.image_size, align)
    if photo.shape[-1] < preset.encoder_size:
        raise InputError(f"{path} has {photo.shape[-1]} pixels a side; a photo has {preset.encoder_size} or more")
    kind, labels = contour_kind(derived or "").sized(preset.low_res_size), None
    if kind.needs_label_map:
        from idnb.models.face_parser import load_face_parser  # made for rendered faces: judge its maps by eye

        labels = load_face_parser().label_maps(photo).clone()
    return kind.make(photo, labels)


def write_result(pair: Pair, encoder: ContourEncoder, x_c: Tensor, x_id: Tensor, result: Result) -> Sequence[Path]:
    """Write the image of the last step, the strip of all steps, and the latents.

    pair: says where to, in `files`. result: of one pair. Returns the three paths.
    """
    image, strip, latents = pair.files
    images = result.images[0].cpu()  # [steps, 3, H, W]
    side = images.shape[-1]
    shown = contour_kind(encoder.kind).display(x_c, side)[0]
    save_png(tile([[shown, x_id[0], *images]], side), strip)
    tensors = {"w_plus": result.w_plus[0].cpu()}  # [steps, n_styles, style_dim]
    if result.input_latent is not None:
        tensors["input_latent"] = result.input_latent[0].cpu()  # [steps, C, 4, 4]
    write_tensors(latents, tensors, {"kind": encoder.kind, "preset": encoder.preset.name})
    save_png(images[-1], image)
    return pair.files
