"""A made-up corpus of near-equal pages told apart by identifiers, and questions with the one page that answers each.

Four groups ask for an identifier: models of a 300-page catalogue, error codes, part numbers, people. The fifth is the
control: a question in other words than its answer, beside a decoy that shares more words with the question. Pages and
questions were written before any fusion was tried on them, and none was taken out after.
"""

from dataclasses import dataclass

__all__ = ["CASES", "GROUPS", "PAGES", "Case"]

GROUPS = ("models", "codes", "parts", "names", "paraphrases")


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the id of the page that answers it, and its group."""

    group: str
    question: str
    page: str


def model_page(number: int) -> str:
    name, metal = f"PX-{number:03d}", ("cast iron", "bronze", "steel")[number % 3]
    return (
        f"Pump {name}. The {name} is a centrifugal pump for clean water with a housing of {metal}. Tighten the bolts "
        f"of its flange to {30 + number * 7 % 53} Nm. Its bearing is greased every {800 + number * 37 % 1_900} hours, "
        "and its seal is changed when it drips. Never run the pump dry: the seal burns within a minute."
    )


DEVICES = ("controller", "gateway", "sensor head", "display")
CAUSES = ("link", "checksum", "voltage", "clock", "memory")


def code_of(number: int) -> str:
    return (f"E-{4_400 + number * 7}", f"ERR_{700 + number * 11}", f"0x8{number * 4_099:06X}")[number % 3]


def code_page(number: int) -> str:
    cause = CAUSES[number % len(CAUSES)]
    return (
        f"Error {code_of(number)}: the {DEVICES[number % len(DEVICES)]} has reported a fault of the {cause}. Switch "
        f"the unit off, wait {10 + number * 13 % 47} seconds, check the {cause} and switch it on again. If the error "
        "stays, call the service."
    )


def part_of(number: int) -> str:
    return (f"62{number:02d}-2RS", f"M{4 + number % 9}x{20 + number * 3}", f"KL{number * 17:04d}B")[number % 3]


def part_page(number: int) -> str:
    return (
        f"Spare part {part_of(number)}, in stock in hall {'ABCD'[number % 4]}, shelf {1 + number * 11 % 29}. The part "
        f"is packed in tens, weighs {40 + number * 19 % 333} g and fits mixers of the second series. Orders that come "
        "before noon leave the same day."
    )


FIRST_NAMES = ("Ingrid", "Tomas", "Aiko", "Samuel", "Leila", "Piotr", "Nadia", "Owen")
LAST_NAMES = ("Halvorsen", "Quiroga", "Tanaka", "Adeyemi", "Rossetti", "Kowalczyk", "Mbeki", "Lindqvist")
DEPARTMENTS = ("shipping", "accounting", "maintenance", "purchasing", "training")


def name_of(number: int) -> str:
    return f"{FIRST_NAMES[number % 8]} {LAST_NAMES[(number + number // 8) % 8]}"


def name_page(number: int) -> str:
    return (
        f"{name_of(number)} has worked in the department of {DEPARTMENTS[number % 5]} since {1_990 + number * 7 % 31}. "
        f"The office is room {100 + number * 23 % 389}, and the telephone's extension is "
        f"{2_000 + number * 131 % 7_919}. Letters are answered within two days."
    )


# (question, the answer in other words, a decoy in the question's words)
PARAPHRASES = (
    (
        "How do I get my money back?",
        "Refunds are issued within 30 days of purchase.",
        "Keep the money box at the back, and get the key from the porter.",
    ),
    (
        "What should I do if I feel sick at work?",
        "Employees who fall ill inform their manager by phone and go home.",
        "Work on the sick leave form should be done by the end of May.",
    ),
    (
        "Can my dog come with me on the train?",
        "Pets travel free of charge in the last carriage when they are leashed.",
        "The toy train can carry a toy dog and comes with a remote control.",
    ),
    (
        "How hot does the oven have to be for bread?",
        "Loaves are baked at 230 degrees for forty minutes.",
        "Have the bread knife ready: the oven gloves are too hot to be of help.",
    ),
    (
        "Why is my internet so slow in the evening?",
        "Bandwidth drops after 6 pm because many households share one line.",
        "My evening class on the slow movement is now on the internet too.",
    ),
    (
        "Where can I leave my car?",
        "Parking spaces for visitors are behind the main building.",
        "You can leave my car keys where I leave them: on the hook.",
    ),
    (
        "How do I stop the baby from crying at night?",
        "Infants calm down when they are rocked gently in a dark room.",
        "Crying wolf at night did not stop the boy from the village.",
    ),
    (
        "Is the water from the tap safe?",
        "What comes out of the faucet is drinkable all over the city.",
        "The safe is behind the water tank: tap it twice.",
    ),
    (
        "How can I see better in the dark?",
        "Night vision improves when you rest your eyes from bright light for half an hour.",
        "Better see the dark comedy before you see the film.",
    ),
    (
        "When do the shops close on Sunday?",
        "On the last day of the week, retail stores shut at 5 pm.",
        "The close shave of Sunday: two barber shops were robbed.",
    ),
    (
        "What kills weeds without poison?",
        "Unwanted plants die when boiling vinegar is poured over them.",
        "The weeds on the stage were paper, and what kills the hero is poison.",
    ),
    (
        "How do I make my phone last longer?",
        "Battery life is extended by dimming the screen and closing apps.",
        "Make no phone call longer than the last one.",
    ),
    (
        "Who pays when a parcel is lost?",
        "The carrier compensates customers for shipments that went missing.",
        "Lost time pays nobody: who packs a parcel should be quick.",
    ),
    (
        "How much sleep does a teenager need?",
        "Adolescents should rest eight to ten hours each night.",
        "Teenager needs: much has been written, and readers sleep over it.",
    ),
    (
        "What can I cook for someone who eats no meat?",
        "Vegetarian guests enjoy lentil curry or a mushroom risotto.",
        "The cook eats with someone: no can of meat is opened.",
    ),
    (
        "How do I remove red wine from a carpet?",
        "Stains of Merlot on a rug come out with salt and soda water.",
        "Remove the red carpet before the wine is served.",
    ),
    (
        "Is it legal to record a conversation?",
        "The law forbids taping people's talk unless all of them agree.",
        "The record shop is a legal firm now, and the conversation piece is gone.",
    ),
    (
        "How do I become a citizen?",
        "Naturalisation requires five years of residence and a language test.",
        "Citizen Kane has become a classic, and how it did so is a story.",
    ),
    (
        "What makes the sky blue?",
        "Short wavelengths of sunlight are scattered more by the air.",
        "Blue Sky makes shoes.",
    ),
    (
        "How do I protect my skin in summer?",
        "Sunscreen of factor 30 or more prevents burns during hot months.",
        "The summer tyre needs a thick skin to protect the rim.",
    ),
    (
        "Can children swim alone?",
        "Minors may use the pool only when an adult supervises them.",
        "The swim suit alone is for children of all sizes.",
    ),
    (
        "What do I need to rent a flat?",
        "Tenants show proof of income and pay a deposit of two months.",
        "A flat tyre: rent a bike, or what you need to mend it.",
    ),
    (
        "How do I lose weight?",
        "People slim down by eating fewer calories than they burn.",
        "Weight lost in the post: how to file a claim.",
    ),
    (
        "Why do cats purr?",
        "Felines make a humming noise when they are content.",
        "Purr is the name of a shop, and cats and dogs are why.",
    ),
)

MODEL_QUESTIONS = (
    "PX-{0:03d}",
    "What is the bolt torque of the PX-{0:03d}?",
    "How often is the bearing of the PX-{0:03d} greased?",
    "What is the housing of pump PX-{0:03d} made of?",
)
CODE_QUESTIONS = ("{}", "What does error {} mean?", "The unit shows {}, what shall I do?")
PART_QUESTIONS = ("{}", "Where is spare part {}?", "How heavy is the {}?")
NAME_QUESTIONS = (
    "{}",
    "Which department does {} work in?",
    "What is the extension of {}?",
    "Where is the office of {}?",
)

MODELS, CODES, PARTS, NAMES = range(1, 301), range(60), range(60), range(64)
PAGES = {
    **{f"model-{number}": model_page(number) for number in MODELS},
    **{f"code-{number}": code_page(number) for number in CODES},
    **{f"part-{number}": part_page(number) for number in PARTS},
    **{f"name-{number}": name_page(number) for number in NAMES},
    **{f"answer-{number}": answer for number, (_, answer, _) in enumerate(PARAPHRASES)},
    **{f"decoy-{number}": decoy for number, (_, _, decoy) in enumerate(PARAPHRASES)},
}
CASES = (
    *(Case("models", MODEL_QUESTIONS[at // 10 % 4].format(at), f"model-{at}") for at in range(7, 301, 10)),
    *(Case("codes", CODE_QUESTIONS[at % 3].format(code_of(at)), f"code-{at}") for at in range(1, 60, 2)),
    *(Case("parts", PART_QUESTIONS[at // 2 % 3].format(part_of(at)), f"part-{at}") for at in range(0, 60, 2)),
    *(Case("names", NAME_QUESTIONS[at // 2 % 4].format(name_of(at)), f"name-{at}") for at in range(1, 64, 2)),
    *(Case("paraphrases", question, f"answer-{at}") for at, (question, _, _) in enumerate(PARAPHRASES)),
)
