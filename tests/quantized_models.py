"""English passages to quantize a model with, and caches that hold the default model's export."""

import shutil

from lateral.retrievers.cache_folder import cache_folder
from lateral.retrievers.models import DEFAULT_BI_ENCODER, find_model
from lateral.retrievers.models.folder import read_layout
from lateral.retrievers.models.openvino.export import export_transformer

PASSAGES = [
    "Green tea is brewed at 80 degrees for two minutes. Boiling water would make it bitter.",
    "Honey keeps for years in a closed jar. Bees make it from nectar, and each jar holds the work of a summer.",
    "Sourdough rises for twelve hours in a cold kitchen. The oven is then heated to 230 degrees.",
    "The light of the sun reaches the Earth after eight minutes. That of the next star needs four years.",
    "Swifts sleep while they fly. A young bird may stay in the air for ten months before it first lands.",
    "A kettle that is descaled each month uses less power. Vinegar and water do it in half an hour.",
    "The library lends books for four weeks. Whoever brings one back late pays ten cents a day.",
    "Trains to the coast leave at every full hour. Bicycles need a ticket of their own in summer.",
    "Ball pythons hunt at night and wait for small mammals. In captivity they eat a mouse each week.",
    "Concrete reaches most of its strength within 28 days. In frost it has to be covered or heated.",
    "The heart of a blue whale weighs as much as a small car. It beats fewer than ten times a minute.",
    "A chess clock gives each player the same time. Whoever runs out of it loses, whatever stands on the board.",
    "Tomatoes need six hours of sun a day. They are watered at the root, as wet leaves fall ill.",
    "The treaty was signed in 1648 and ended thirty years of war. Its terms shaped the borders of the continent.",
    "Interest is paid at the end of each quarter. Notice of three months is needed to close the account.",
    "Copper conducts heat better than steel. Pans are therefore lined with it beneath the base.",
    "An octopus has three hearts and blue blood. It can taste with the suckers of its arms.",
    "The patient is to take one tablet each morning with food. Alcohol makes its effect stronger.",
    "Granite forms deep below the ground as molten rock cools slowly. Its crystals can be seen by eye.",
    "A violin has four strings, tuned in fifths. The bow is rubbed with rosin so that it grips them.",
    "The pilot lowers the flaps before landing. They give the wing more lift at low speed.",
    "Rice fields are kept under water for weeks. Few weeds can grow there, and the plants stay warm.",
    "The museum is closed on Mondays. Children under twelve and teachers with a class pay nothing.",
    "Glass is made of sand, soda and lime. It softens over a wide range of heat and has no melting point.",
    "Snow reflects most of the light that falls on it. Skiers without glasses can lose their sight for a day.",
    "A marathon is a little more than 42 kilometres long. The best runners need just over two hours.",
    "The tenant pays the deposit in three parts. It is kept in an account that earns interest.",
    "Penicillin was found by chance in 1928. A mould had killed the bacteria in a dish left open.",
    "Salt lowers the point at which water freezes. It is strewn on roads, though it harms the trees beside them.",
    "A compiler turns source code into machine code. Mistakes of type are found before the program runs.",
    "Coral lives together with algae that feed it. In water that is too warm it loses them and turns white.",
    "The tax return is due at the end of July. With an adviser one has until February of the year after next.",
    "Bridges have joints that let steel grow in summer. A span of a hundred metres gains about five centimetres.",
    "Wool keeps warm even when it is wet. Its fibres are curled and hold much air between them.",
    "The moon turns the same side to us all the time. It takes as long for a turn as for its way around us.",
    "Cheese ripens in caves at a steady ten degrees. The rind is brushed with brine twice a week.",
    "The warranty covers faults of material for two years. Wear, misuse and batteries are left out.",
    "Bamboo can grow by almost a metre a day. It is a grass, and blooms once in many decades.",
    "The referee may stop play for lightning. It goes on when no thunder was heard for half an hour.",
    "Mercury is the smallest planet and the nearest to the sun. A day there lasts longer than a year.",
    "Paper was made of rags until wood took their place. The acid in that wood turns old books yellow.",
    "Camels store fat and not water in their humps. They can drink a hundred litres within ten minutes.",
    "The password must hold twelve characters. After five wrong tries the account is locked for an hour.",
    "An egg floats in water when it is old. Air has then taken the place of what dried out through the shell.",
]
SENTENCES = [passage.partition(". ")[0] + "." for passage in PASSAGES]


def cache_with_default(folder):
    """Fills a cache with the default model's export, which is made once for all test runs; returns the copy."""
    exported = export_transformer(read_layout(find_model(DEFAULT_BI_ENCODER).path).document[0])
    return shutil.copytree(exported, folder / exported.relative_to(cache_folder()))
