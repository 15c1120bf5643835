"""What `classifier predict` prints, this program's and the hosts' own."""

import math
import re

# "12.34%: name" of the packaged Darknet and of this program, "name: 0.123400" of AlexeyAB's.
PERCENT, SHARE = re.compile(r" *(-?nan|[0-9.]+)%: (\S+)"), re.compile(r"(\S+): (-?nan|[0-9]\.[0-9]+)")


def answers(text):
    """[(class name, percent)], best first."""
    found = []
    for line in text.splitlines():
        packaged, alexeyab = PERCENT.fullmatch(line), SHARE.fullmatch(line)
        if packaged:
            found.append((packaged[2], float(packaged[1])))
        elif alexeyab:
            found.append((alexeyab[1], 100 * float(alexeyab[2])))
    return found


def largest_difference(one, other):
    """Between two lists of the most probable classes, in points; None where the second is not all numbers.

    A class that is missing has at most the share of the last one.
    """
    if not other:
        return math.inf
    shares = dict(other)
    if any(math.isnan(share) for share in shares.values()):
        return None
    return max(abs(share - shares.get(name, min(shares.values()))) for name, share in one)
