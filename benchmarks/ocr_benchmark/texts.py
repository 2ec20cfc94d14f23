"""Sentences that documents are made of. Written for this purpose."""

from __future__ import annotations

from random import Random

SENTENCES = {
    "eng": (
        "The committee met in the spring to consider how the old harbour could be restored without "
        "closing it to the small boats that still depend on it.",
        "Engineers measured the depth at forty points and compared their figures with a survey of "
        "1911.",
        "The channel had moved by almost 12.7 metres, more than anyone in the town had expected.",
        "A letter from the ferry company (dated 3 March) asked for two more berths at the north "
        "pier.",
        "Costs were put at $4,250,000, of which 35% would be borne by the county.",
        "Nobody spoke against the plan; several people asked who would pay for the new crane.",
        "Fishing stopped for six weeks while divers examined the piles below the customs house.",
        "What remains of the first wall, built from local granite, will be kept where it stands.",
        "The next report is due in October and will include drawings, prices and a timetable.",
        "Quick judgement was never expected from a jury of volunteers, yet they agreed by Friday.",
    ),
    "deu": (
        "Der Ausschuss beriet im Frühjahr darüber, wie der alte Hafen erneuert werden könnte.",
        "Die Größe der Schleuse wurde an vierzig Stellen gemessen und mit Plänen verglichen.",
        "Die Kosten betragen 4.250.000 Euro; das Land übernimmt davon 35 Prozent.",
        "Für die Fähre werden zwei zusätzliche Liegeplätze am nördlichen Ufer benötigt.",
        "Außerdem müssen die Straßen zum Zollhaus für schwere Fahrzeuge gesperrt bleiben.",
        "Die Übergabe der Schlüssel erfolgte am 3. März in Anwesenheit aller Gemeinderäte.",
    ),
    "fra": (
        "Le comité s'est réuni au printemps pour étudier la restauration du vieux port.",
        "Les ingénieurs ont mesuré la profondeur à quarante endroits différents.",
        "Le coût s'élève à 4 250 000 euros, dont 35 % seront payés par la région.",
        "Où trouver la place nécessaire à deux nouveaux pontons près de l'hôtel de ville ?",
        "Les pêcheurs ont dû s'arrêter pendant six semaines, ce qui a été très difficile.",
        "Une lettre reçue le 3 mars précise que le bac s'arrêtera désormais à l'île voisine.",
    ),
    "spa": (
        "El comité se reunió en primavera para estudiar la restauración del antiguo puerto.",
        "Los ingenieros midieron la profundidad en cuarenta puntos y la compararon con la de 1911.",
        "El coste será de 4.250.000 euros, y la región pagará el 35 por ciento.",
        "¿Quién pagará la nueva grúa? Nadie supo responder aquella mañana.",
        "Los pequeños barcos seguirán entrando por el canal mientras duren las obras.",
        "La señora Núñez pidió que se conservara el muro de granito donde está.",
    ),
    "chi_sim": (
        "委员会在春天开会讨论如何修复旧港口。",
        "工程师在四十个地点测量了水深\uff0c并与一九一一年的数据进行了比较。",
        "航道已经移动了将近十二米\uff0c比镇上任何人预计的都要多。",
        "费用估计为四百二十五万元\uff0c其中百分之三十五由政府承担。",
        "下一份报告将于十月提交\uff0c内容包括图纸、价格和时间表。",
        "渡轮公司来信要求在北码头增加两个泊位。",
    ),
}
HEADINGS = ("Harbour report", "Measurements", "Costs and prices", "What remains", "Next steps")
ITEMS = (
    "Survey of the north pier",
    "Repair of the crane by June",
    "Two more berths for the ferry",
    "Drawings of the customs house",
)
PLACES = ("North pier", "South pier", "Customs house", "Lower lock", "Ferry berth", "Old wall")


def passage(random: Random, language: str, sentences: int) -> str:
    """Return some sentences in a random order; none comes twice before all have come once."""
    text: list[str] = []
    while len(text) < sentences:
        more = list(SENTENCES[language])
        random.shuffle(more)
        text.extend(more)
    space = "" if language.startswith("chi") else " "
    return space.join(text[:sentences])


def figures(random: Random, rows: int) -> list[list[str]]:
    """Return a table with a head."""
    body = [
        [
            place,
            f"{random.uniform(1, 20):.1f}",
            str(random.randint(1890, 2020)),
            f"{random.randint(1, 900)},{random.randint(100, 999)}",
        ]
        for place in random.sample(PLACES, rows)
    ]
    return [["Place", "Depth", "Built", "Price"], *body]
