"""Makes mailstack/web/checks/caniemail.json of the data of caniemail.com: `python -m tests.web.checks.refresh FILE`.

FILE is https://www.caniemail.com/api/data.json, or the file in the npm package caniemail. What nobody looks at here is left
out: old versions of clients, and how each was tested.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mailstack

KEPT = ("slug", "title", "description", "url", "category", "tags", "keywords")
TARGET = Path(mailstack.__file__).parent / "web" / "checks" / "caniemail.json"


def reduced(data: dict[str, Any]) -> dict[str, Any]:
    """The newest version of each client, with its support."""
    features = []
    for feature in data["data"]:
        stats = {
            family: {platform: list(list(versions.items())[-1]) for platform, versions in platforms.items() if versions}
            for family, platforms in feature["stats"].items()
        }
        kept = {name: feature[name] or ("" if name != "tags" else []) for name in KEPT}
        features.append({**kept, "notes": feature["notes_by_num"] or {}, "stats": stats})
    names = data["nicenames"]
    return {
        "updated": data["last_update_date"],
        "families": names["family"],
        "platforms": names["platform"],
        "features": features,
    }


if __name__ == "__main__":
    made = reduced(json.loads(Path(sys.argv[1]).read_bytes()))
    lines = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in made.pop("features"))
    head = json.dumps(made, ensure_ascii=False)[:-1]
    TARGET.write_text(f'{head}, "features": [\n{lines}\n]}}\n', encoding="utf-8")
