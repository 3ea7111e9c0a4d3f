"""Where and how a pipeline is submitted: the fields beside the button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from jupyter_kfp.errors import UsageError
from jupyter_kfp.remote import profiles

if TYPE_CHECKING:
    from jupyter_kfp.remote.submit import Options

_DEFAULT = ""


class SubmitForm(widgets.HBox):
    """Profile, experiment, name and cache; what is left empty is the pipeline's, then the profile's."""

    def __init__(self) -> None:
        narrow = widgets.Layout(width="auto", flex="1 1 12em")
        self.profile = widgets.Dropdown(description="Profile", options=_choices(), layout=narrow)
        self.experiment = widgets.Text(description="Experiment", placeholder="the profile's", layout=narrow)
        self.title = widgets.Text(description="Name", placeholder="pipeline and time", layout=narrow)
        self.cache = widgets.Checkbox(
            description="Use the cache", value=True, indent=False, layout=widgets.Layout(width="max-content")
        )
        super().__init__(
            [self.profile, self.experiment, self.title, self.cache],
            layout=widgets.Layout(flex_flow="row wrap", width="100%"),
        )

    def options(self) -> Options:
        """What the fields say."""
        from jupyter_kfp.remote.submit import Options

        return Options(
            profile=self.profile.value or None,
            experiment=self.experiment.value.strip() or None,
            name=self.title.value.strip() or None,
            cache=self.cache.value,
        )


def _choices() -> list[tuple[str, Any]]:
    """The profiles there are; the first choice is the one that is used where none is named."""
    try:
        default = profiles.find().name
        names = [name for name in profiles.load() if name != default]
    except UsageError:  # none is known, or none of several is the default: submitting says so
        try:
            return [("(default)", _DEFAULT), *((name, name) for name in profiles.load())]
        except UsageError:  # the file cannot be read
            return [("(default)", _DEFAULT)]
    return [(f"{default} (default)", default), *((name, name) for name in names)]
