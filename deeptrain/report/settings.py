"""The `[report]` table of an experiment."""

from typing import Annotated

import msgspec

from deeptrain.settings import Section


class ReportSettings(Section, frozen=True):
    """How the report of a run looks; in the identity of no shard and no epoch.

    Attributes:
        title: heading of the page and the pictures; the experiment's name if absent.
        dpi: sharpness of the pictures; 100 draws one pixel of the file for one pixel of the page, 200 two.
    """

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    dpi: Annotated[int, msgspec.Meta(ge=50, le=400)] = 200
