"""A web shop: customers with orders with lines, told by shares, means and totals alone; the amount of a line is computed."""

from collections.abc import Mapping
from typing import Any


def shop(
    *, orders: Mapping[str, float], months: Mapping[str, tuple[float, float]], kinds: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """A spec from the mean `orders` by segment, the share and the total amount of `months`, the share and mean price of `kinds`.

    The totals are of 1,000 lines.
    """
    segments = {"new": 0.5, "regular": 0.4, "vip": 0.1}
    units = {
        "customer": {
            "variables": {
                "segment": {"kind": "category", "levels": list(segments)},
                "orders": {"kind": "integer", "range": [1, 20]},
            }
        },
        "order": {
            "parent": "customer",
            "count": "orders",
            "variables": {
                "month": {"kind": "category", "levels": list(months)},
                "lines": {"kind": "integer", "range": [1, 15]},
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
    }
    targets = [
        {
            "name": "segments",
            "unit": "customer",
            "cells": [{"segment": own, "share": share} for own, share in segments.items()],
        },
        {
            "name": "orders by segment",
            "unit": "customer",
            "mean": "orders",
            "by": ["segment"],
            "cells": [{"segment": own, "mean": mean} for own, mean in orders.items()],
        },
        {"unit": "order", "cells": [{"month": own, "share": share} for own, (share, _) in months.items()]},
        {"unit": "order", "mean": "lines", "cells": [{"mean": 2.4}]},
        {"unit": "line", "cells": [{"category": own, "share": share} for own, (share, _) in kinds.items()]},
        {
            "unit": "line",
            "mean": "price",
            "by": ["category"],
            "cells": [{"category": own, "mean": mean} for own, (_, mean) in kinds.items()],
        },
        {
            "unit": "line",
            "total": "amount",
            "base": 1000,
            "by": ["order.month"],
            "cells": [{"order.month": own, "total": total} for own, (_, total) in months.items()],
        },
    ]
    return {"llmsynthor": 1, "units": units, "targets": targets}
