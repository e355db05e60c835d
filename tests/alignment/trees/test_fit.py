"""The fit of nested records: it goes on where sums pull records along that tables hold back."""

from typing import Any

import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.spec.specification import Spec


def web_shop() -> dict[str, Any]:
    """Customers, orders and lines, told by shares, means and totals of what a line comes to: quantities must be near one."""
    months, kinds = ("Jan", "Feb", "Mar"), ("books", "toys", "electronics")
    return {
        "llmsynthor": 1,
        "name": "web shop",
        "units": {
            "customer": {
                "variables": {
                    "segment": {"kind": "category", "levels": ["new", "regular", "vip"]},
                    "orders": {"kind": "integer", "range": [1, 20]},
                }
            },
            "order": {
                "parent": "customer",
                "count": "orders",
                "variables": {
                    "month": {"kind": "category", "levels": list(months)},
                    "lines": {"kind": "integer", "range": [1, 15]},
                    "shipping": {"kind": "integer", "range": [0, 50]},
                },
                "derived": {
                    "value": {"kind": "number", "range": [0, 8000], "expression": "sum(line.amount) + shipping"}
                },
            },
            "line": {
                "parent": "order",
                "count": "lines",
                "variables": {
                    "category": {"kind": "category", "levels": list(kinds)},
                    "price": {"kind": "number", "range": [1, 300]},
                    "quantity": {"kind": "integer", "range": [1, 10]},
                },
                "derived": {"amount": {"kind": "number", "range": [0, 3000], "expression": "price * quantity"}},
            },
        },
        "targets": [
            {
                "unit": "customer",
                "cells": [
                    {"segment": "new", "share": 0.5},
                    {"segment": "regular", "share": 0.4},
                    {"segment": "vip", "share": 0.1},
                ],
            },
            {
                "unit": "customer",
                "mean": "orders",
                "by": ["segment"],
                "cells": [
                    {"segment": "new", "mean": 1.0},
                    {"segment": "regular", "mean": 2.8},
                    {"segment": "vip", "mean": 7.4},
                ],
            },
            {
                "unit": "order",
                "cells": [{"month": m, "share": share} for m, share in zip(months, (0.3, 0.3, 0.4), strict=True)],
            },
            {"unit": "order", "mean": "lines", "cells": [{"mean": 2.4}]},
            {
                "unit": "line",
                "cells": [
                    {"category": kind, "percent": percent} for kind, percent in zip(kinds, (55, 30, 15), strict=True)
                ],
            },
            {
                "unit": "line",
                "mean": "price",
                "by": ["category"],
                "cells": [
                    {"category": kind, "mean": mean} for kind, mean in zip(kinds, (14.2, 22.5, 120), strict=True)
                ],
            },
            {
                "unit": "line",
                "total": "amount",
                "by": ["order.month"],
                "base": 3600,
                "cells": [
                    {"order.month": m, "total": total} for m, total in zip(months, (41000, 40000, 62000), strict=True)
                ],
            },
            {"unit": "order", "quantile": "value", "probability": 0.5, "cells": [{"quantile": 55}]},
        ],
        "synthesis": {"records": 600, "seed": 1},
    }


@pytest.mark.slow
def test_sums_and_tables_settle_together() -> None:
    """After 25 sweeps the categories of lines were off by 3 %, and what followed gave up sums that can be met."""
    stages = trees_stages(set_aims(Spec.load(web_shop())), records=600, seed=1)
    fitted = stages.fit(lambda *_: None)
    assert max(fitted.fitted) < 0.02
