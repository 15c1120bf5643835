"""The GPU's part of bench.py: rooflines, and the best precision of each network."""

from .network_shapes import Network
from .roofline import CARDS, Roofline, card_reported
from .tables import rate
from .workload import WORK


def choose_card(named, reported):
    """(name, card): the named one, or that of the driver's name; (None, None) where neither is known."""
    name = named or (card_reported(reported) if reported else None)
    return name, CARDS.get(name)


def rooflines(workload, card):
    """{work: Roofline}, or nothing where the card is unknown."""
    if not card:
        return {}
    network = Network(workload.cfg)
    return {work: Roofline(network, work, workload.batch, workload.precision, card) for work in WORK}


def best_lines(rows):
    """Each kind of work of one network in its best precision, against PyTorch in its best."""
    for work in WORK:
        of_work = [row for row in rows if row["work"] == work]
        best = max(of_work, key=lambda row: row["images_per_second"]["program"])
        program = best["images_per_second"]["program"]
        parts = []
        for kind in ("eager", "compile"):
            peers = [row for row in of_work if kind in row["images_per_second"]]
            if peers:
                peer = max(peers, key=lambda row: row["images_per_second"][kind])
                peer_rate = peer["images_per_second"][kind]
                parts.append(f"{kind} {rate(peer_rate)} ({peer['precision']}, {peer['format'][kind]}), ratio "
                             f"{program / peer_rate:.2f}")
        if parts:
            yield (f"  best of {best['network']} {work}: program {rate(program)} ({best['precision']}); "
                   f"PyTorch {'; '.join(parts)}")
