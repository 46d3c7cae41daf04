"""A slow StyleGAN2 synthesis network written from the paper's equations, one sample and one step at a time.

It reads the parameters of a `Generator` by name, shares no code with it, and computes in float64.
"""

import torch
import torch.nn.functional as F

KERNEL = torch.tensor([[1.0, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]], dtype=torch.float64) / 64


def zero_insert(x):
    """[C, H, W] -> [C, 2H, 2W] with the values at even places."""
    channels, height, width = x.shape
    out = x.new_zeros(channels, 2 * height, 2 * width)
    out[:, ::2, ::2] = x
    return out


def filter_each(x, kernel, before, after):
    """Pad [C, H, W] with zeros and convolve every channel with the (flipped) kernel."""
    x = F.pad(x, (before, after, before, after))
    return torch.stack([F.conv2d(plane[None, None], kernel.flip(0, 1)[None, None])[0, 0] for plane in x])


def modulated(parameters, name, x, w, up=False, demodulate=True):
    weight = parameters[f"{name}.weight"][0]
    _, in_channels, size, _ = weight.shape
    affine = parameters[f"{name}.modulation.weight"] / parameters[f"{name}.modulation.weight"].shape[1] ** 0.5
    style = affine @ w + parameters[f"{name}.modulation.bias"]
    weight = weight / (in_channels * size * size) ** 0.5 * style[None, :, None, None]  # equation 1
    if demodulate:  # equation 3
        weight = weight / torch.sqrt((weight**2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
    if not up:
        return F.conv2d(x[None], weight, padding=size // 2)[0]
    # A transposed convolution is a convolution of the zero-inserted picture with the flipped weight. Its last zero
    # row and column are cut: 2H + 1 values, then the blur with one zero on each side leaves 2H.
    spread = F.pad(zero_insert(x), (2, 1, 2, 1))
    doubled = F.conv2d(spread[None], weight.flip(2, 3))[0]
    return filter_each(doubled, KERNEL * 4, 1, 1)


def styled(parameters, name, x, w, noise, up=False):
    y = modulated(parameters, f"{name}.conv", x, w, up)
    y = y + parameters[f"{name}.noise.weight"] * noise
    y = y + parameters[f"{name}.activate.bias"][:, None, None]
    return torch.where(y > 0, y, 0.2 * y) * 2**0.5


def to_rgb(parameters, name, x, w, rgb):
    y = modulated(parameters, f"{name}.conv", x, w, demodulate=False) + parameters[f"{name}.bias"][0]
    return y if rgb is None else y + filter_each(zero_insert(rgb), KERNEL * 4, 2, 1)


def synthesis(generator, w_plus, input_latent=None, noise=None):
    """Images [B, 3, H, W] in float64 for W+ codes in float64."""
    parameters = {name: value.detach().double() for name, value in generator.state_dict().items()}
    images = []
    for index, w in enumerate(w_plus):
        pictures = [
            parameters[f"noises.noise_{i}"][0, 0] if noise is None else noise[i][index, 0].double()
            for i in range(len(w) - 1)
        ]
        x = parameters["input.input"][0] if input_latent is None else input_latent[index]
        x = styled(parameters, "conv1", x, w[0], pictures[0])
        rgb = to_rgb(parameters, "to_rgb1", x, w[1], None)
        for m in range((len(w) - 2) // 2):
            x = styled(parameters, f"convs.{2 * m}", x, w[1 + 2 * m], pictures[1 + 2 * m], up=True)
            x = styled(parameters, f"convs.{2 * m + 1}", x, w[2 + 2 * m], pictures[2 + 2 * m])
            rgb = to_rgb(parameters, f"to_rgbs.{m}", x, w[3 + 2 * m], rgb)
        images.append(rgb)
    return torch.stack(images)


def mapping(generator, z):
    """w for z, both float64, [B, D]."""
    parameters = {name: value.detach().double() for name, value in generator.state_dict().items()}
    x = z / torch.sqrt((z**2).mean(dim=1, keepdim=True) + 1e-8)
    depth = sum(name.startswith("style.") and name.endswith(".weight") for name in parameters)
    for layer in range(1, depth + 1):
        weight = parameters[f"style.{layer}.weight"] * 0.01 / z.shape[1] ** 0.5
        x = x @ weight.T + parameters[f"style.{layer}.bias"] * 0.01
        x = torch.where(x > 0, x, 0.2 * x) * 2**0.5
    return x
