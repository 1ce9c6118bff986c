"""The bake: after the last step the old arm stays for a while, and the canary is still judged against it."""

from pydantic import BaseModel, ConfigDict, Field

# Thirty days, in seconds.
LONGEST = 30 * 86_400.0


class Bake(BaseModel):
    """For `seconds` after the last step the old arm keeps `warm` basis points; 0 seconds: there is no bake.

    Those requests keep its connections and caches warm, and are the control that the canary is judged by.
    With `warm` 0 nothing is left to compare with: only people and absolute rules can end the bake.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seconds: float = Field(default=0.0, ge=0, le=LONGEST)
    warm: int = Field(default=100, ge=0, le=5000)
