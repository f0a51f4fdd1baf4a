"""The first ESRGAN's network (https://github.com/xinntao/ESRGAN, its first release) as one nn.Sequential: where a layer
stands is its name in files of weights."""

import torch
from torch import Tensor, nn

SLOPE = 0.2


class Dense(nn.Module):
    def __init__(self, width: int, growth: int):
        super().__init__()
        for number in range(1, 6):
            layers = [nn.Conv2d(width + (number - 1) * growth, growth if number < 5 else width, 3, padding=1)]
            self.add_module(f"conv{number}", nn.Sequential(*layers, *[nn.LeakyReLU(SLOPE)] * (number < 5)))

    def forward(self, maps: Tensor) -> Tensor:
        seen = [maps]
        for layer in self.children():
            seen.append(layer(torch.cat(seen, 1)))
        return maps + 0.2 * seen[-1]


class Block(nn.Module):
    def __init__(self, width: int, growth: int):
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (Dense(width, growth) for _ in range(3))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + 0.2 * self.RDB3(self.RDB2(self.RDB1(maps)))


class Shortcut(nn.Module):
    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.sub = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.sub(maps)


class FirstESRGAN(nn.Module):
    def __init__(self, doublings: int, channels: int = 3, width: int = 6, growth: int = 3, num_blocks: int = 2):
        super().__init__()
        def same() -> nn.Conv2d:
            return nn.Conv2d(width, width, 3, padding=1)

        blocks = [Block(width, growth) for _ in range(num_blocks)]
        doubling = [layer for _ in range(doublings) for layer in (nn.Upsample(scale_factor=2), same(),
                                                                  nn.LeakyReLU(SLOPE))]
        self.model = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), Shortcut(*blocks, same()), *doubling, same(),
            nn.LeakyReLU(SLOPE), nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, low: Tensor) -> Tensor:
        return self.model(low)
