"""What the loop asks for between the steps of a training."""

from __future__ import annotations

from anyslice.training.state import State


class Session:
    """A training's session: this one does nothing. The loop calls its methods."""

    def restore(self, state: State) -> None:
        """Go to where an earlier session stopped."""

    def after_step(self, state: State) -> None:
        """Called after each step.

        A session that is to stop the training saves it and raises an exception of its own.
        """

    def while_evaluating(self) -> None:
        """Called after each batch of an evaluation; raises as `after_step`."""

    def after_epoch(self, state: State) -> None:
        """Called when an epoch has been validated; raises as `after_step`."""

    def before_test(self, state: State) -> None:
        """Called after the last epoch, before the chosen weights replace the last ones."""
