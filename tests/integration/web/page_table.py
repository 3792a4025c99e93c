"""The pages that tests open, one line each: a page that is not here is opened by no test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Page:
    """A page by its address; `{project}` is the number of a project, `{answer}` and `{prompt}` of something in it."""

    name: str
    path: str

    def address(self, **numbers: int) -> str:
        return self.path.format(**numbers)


PAGES: Final = (
    Page("portfolio", "/"),
    Page("overview", "/projects/{project}"),
    Page("overview-week", "/projects/{project}?provider=google&from={first}&to={last}"),
    Page("overview-tag", "/projects/{project}?tag=precio"),
    Page("answers", "/projects/{project}/answers"),
    Page(
        "answers-counted", "/projects/{project}/answers?counted_in=mention_rate&mentioned=true&from={first}&to={last}"
    ),
    Page("answer", "/projects/{project}/answers/{answer}"),
    Page("prompts", "/projects/{project}/prompts"),
    Page("prompts-provider", "/projects/{project}/prompts?provider=google&sort=rate"),
    Page("prompt", "/projects/{project}/prompts/{prompt}"),
    Page("rivals", "/projects/{project}/rivals"),
    Page("sources", "/projects/{project}/sources"),
    Page("sources-other", "/projects/{project}/sources?kind=other&provider=google"),
    Page("changes", "/projects/{project}/changes"),
    Page("reports", "/projects/{project}/reports"),
    Page("account", "/account"),
    Page("account-settings", "/settings"),
    Page("sign-in", "/sign-in"),
    Page("settings", "/projects/{project}/settings"),
    Page("settings-names", "/projects/{project}/settings?edit=brand&generate=5"),
    Page("names", "/projects/{project}/names"),
    Page("reanalysis", "/projects/{project}/reanalysis"),
    Page("reanalysis-preview", "/projects/{project}/reanalysis?preview=on"),
    Page("name-preview", "/projects/{project}/names/preview?name=Zetaflux&alias=Zeta+Flux"),
    Page("new-project", "/new-project"),
    Page("missing", "/projects/999999"),
)
