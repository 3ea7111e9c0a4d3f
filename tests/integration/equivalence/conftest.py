from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .zygote import Zygote


@dataclass(frozen=True)
class Zygotes:
    light: Zygote
    heavy: Zygote

    def of(self, *, heavy: bool) -> Zygote:
        return self.heavy if heavy else self.light


@pytest.fixture(scope="session")
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygotes]:
    directory = tmp_path_factory.mktemp("zygotes")
    with Zygote(directory / "light") as light, Zygote(directory / "heavy", heavy=True) as heavy:
        yield Zygotes(light, heavy)
