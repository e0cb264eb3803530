"""A tiny judged collection: thirty passages, twelve questions, and which passages answer them."""

from __future__ import annotations

import json
from pathlib import Path

PASSAGES = """
A lighthouse keeper trims the lamp at dusk and logs every passing ship before midnight.
The lamp of the lighthouse was converted from oil to electricity in 1923.
Ships that pass the headland at night rely on the lighthouse and on a fog horn.
Fog forms when warm, moist air moves over cold water and cools below its dew point.
The horn sounds twice a minute in fog; keepers once struck a bell instead.
Bread dough rises because yeast turns sugar into carbon dioxide and alcohol.
Knead the dough for ten minutes, then let it rise in a warm place until it has doubled.
A sourdough starter is flour and water in which wild yeast and bacteria live together.
Bakers score the loaf before baking so that steam can escape along the cut.
Steam in the first minutes of baking keeps the crust soft and lets the loaf expand.
The engine lost power when the fuel filter clogged, and the ship drifted for two hours.
Replace the fuel filter every 500 hours, or every year if the engine runs less than that.
A clogged filter starves the injectors; the engine then runs rough and may stall under load.
Coolant should be changed every two years because its corrosion inhibitors wear out.
Check the coolant level only when the engine is cold: a hot system is under pressure.
Honey bees dance to tell the hive in which direction and how far away flowers are.
A hive may hold fifty thousand bees in summer and a tenth of that in winter.
Beekeepers leave enough honey in the hive for the colony to survive the winter.
Flowers that are pollinated by moths are often white and open at night.
Moths find flowers by scent; bees rely more on colour and on patterns we cannot see.
The library lends books for three weeks; a loan can be renewed twice unless it is reserved.
Reserved books are held at the desk for seven days and then returned to the shelf.
Fines are charged per day for books that are returned late, up to the price of the book.
Members under sixteen pay no fines, and their loans are renewed automatically.
The reading room is open on Sundays, but no books can be borrowed on that day.
Glaciers carve valleys into the shape of a U; rivers cut them into the shape of a V.
Meltwater under a glacier lubricates its bed, so it moves faster in summer than in winter.
Rivers drop sand and gravel where the valley widens and the water slows down.
Cold winters with little snow harm winter wheat, because snow shelters the seedlings.
Wheat flour with much protein makes strong dough and a loaf that rises well.
""".strip().splitlines()

JUDGED = {
    "when was the lighthouse lamp converted to electricity": (1,),
    "how does fog form over cold water": (3,),
    "why does bread dough rise": (5,),
    "steam while baking a loaf": (8, 9),
    "replacing a clogged fuel filter in the engine": (10, 11, 12),
    "how often to change coolant": (13,),
    "how do bees tell where flowers are": (15,),
    "honey for the winter": (17,),
    "are books returned late charged fines": (22,),
    "can a loan be renewed": (20, 23),
    "what shape do glaciers carve valleys into": (25,),
    "snow and winter wheat": (28,),
}
"""Question → the passages that answer it, by their position."""


def write(folder: Path, *, split: str = "test") -> Path:
    """The collection in the layout of BEIR; ``p3`` is the passage at 3, ``q0`` the first question.

    Every third passage has a title.
    """
    (folder / "qrels").mkdir(parents=True)
    with (folder / "corpus.jsonl").open("w") as file:
        for at, text in enumerate(PASSAGES):
            title = {"title": text.split()[1].title()} if at % 3 == 0 else {}
            file.write(json.dumps({"_id": f"p{at}", **title, "text": text}) + "\n")
    with (folder / "queries.jsonl").open("w") as file:
        for at, text in enumerate(JUDGED):
            file.write(json.dumps({"_id": f"q{at}", "text": text}) + "\n")
    with (folder / "qrels" / f"{split}.tsv").open("w") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for at, answers in enumerate(JUDGED.values()):
            file.writelines(f"q{at}\tp{answer}\t1\n" for answer in answers)
    return folder
