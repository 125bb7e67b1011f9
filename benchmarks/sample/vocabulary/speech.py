"""Clauses whose words are tagged; many words stand in several of them under different tags.

A word is written with its tag behind a slash; `{who}` and its like are drawn. Nothing contracts
("al", "del"), so that the words are those of a dependency tree and of the text alike.
"""

from benchmarks.sample.vocabulary.lists import in_both_genders, listed

CLAUSES = (
    # vino, para, sobre, casa
    "{who} vino/VERB de/ADP {place} en/ADP tren/NOUN",
    "{who} compró/VERB vino/NOUN de/ADP {place}",
    "el/DET vino/NOUN de/ADP {place} gustó/VERB mucho/ADV a/ADP {whom}",
    "el/DET tren/NOUN para/VERB en/ADP {place} y/CCONJ en/ADP {place}",
    "el/DET tren/NOUN para/ADP {place} sale/VERB a/ADP las/DET {hour}",
    "{who} compró/VERB flores/NOUN para/ADP {whom}",
    "{who} dejó/VERB el/DET sobre/NOUN en/ADP la/DET mesa/NOUN",
    "{who} escribe/VERB sobre/ADP la/DET historia/NOUN de/ADP {place}",
    "la/DET carta/NOUN de/ADP {whom} está/AUX sobre/ADP la/DET mesa/NOUN",
    "{who} se/PRON casa/VERB en/ADP {place} con/ADP {whom}",
    "la/DET casa/NOUN de/ADP {whom} tiene/VERB {few} balcones/NOUN",
    "{who} volvió/VERB a/ADP casa/NOUN con/ADP {whom}",
    # río, nada, como, entre, bajo
    "el/DET río/NOUN pasa/VERB por/ADP {place} y/CCONJ por/ADP {place}",
    "yo/PRON me/PRON río/VERB con/ADP {whom}",
    "{who} nada/VERB en/ADP el/DET río/NOUN cerca/ADV de/ADP {place}",
    "{who} no/ADV dijo/VERB nada/PRON a/ADP {whom}",
    "yo/PRON como/VERB en/ADP {place} con/ADP {whom}",
    "{who} es/AUX tan/ADV amable/ADJ como/SCONJ {who}",
    "la/DET carretera/NOUN entre/ADP {place} y/CCONJ {place} está/AUX cortada/ADJ",
    "{who} pidió/VERB que/SCONJ entre/VERB {who}",
    "{who} duerme/VERB bajo/ADP un/DET árbol/NOUN",
    "el/DET precio/NOUN de/ADP la/DET vivienda/NOUN es/AUX bajo/ADJ en/ADP {place}",
    "yo/PRON bajo/VERB a/ADP {place} con/ADP {whom}",
    # la, los, lo
    "{who} la/PRON vio/VERB en/ADP {place}",
    "{who} vio/VERB la/DET plaza/NOUN de/ADP {place}",
    "{who} los/PRON compra/VERB en/ADP {place}",
    "{who} compra/VERB los/DET libros/NOUN en/ADP {place}",
    "{who} lo/PRON sabe/VERB por/ADP {whom}",
    # compra, cocina, cuenta, marcha, cura, pesca, trabajo
    "la/DET compra/NOUN de/ADP {whom} llegó/VERB tarde/ADV",
    "{who} cocina/VERB para/ADP {whom}",
    "la/DET cocina/NOUN de/ADP {whom} huele/VERB a/ADP pan/NOUN",
    "{who} cuenta/VERB una/DET historia/NOUN a/ADP {whom}",
    "{who} pagó/VERB la/DET cuenta/NOUN de/ADP {whom}",
    "{who} se/PRON marcha/VERB a/ADP {place}",
    "la/DET marcha/NOUN terminó/VERB en/ADP {place}",
    "{who} cura/VERB a/ADP {whom}",
    "el/DET cura/NOUN de/ADP {place} habló/VERB con/ADP {whom}",
    "{who} pesca/VERB en/ADP el/DET río/NOUN",
    "la/DET pesca/NOUN da/VERB trabajo/NOUN a/ADP {whom}",
    "yo/PRON trabajo/VERB en/ADP {place} desde/ADP {year}",
    "{who} busca/VERB trabajo/NOUN en/ADP {place}",
    # tarde, mañana, fue, cerca, traje, mucho, este, poder
    "{who} llegó/VERB tarde/ADV a/ADP {place}",
    "{who} pasó/VERB la/DET tarde/NOUN en/ADP {place}",
    "{who} sale/VERB mañana/ADV hacia/ADP {place}",
    "{who} pasó/VERB la/DET mañana/NOUN con/ADP {whom}",
    "{who} fue/VERB a/ADP {place} con/ADP {whom}",
    "la/DET reunión/NOUN con/ADP {whom} fue/AUX {quality}",
    "{who} vive/VERB cerca/ADV de/ADP {place}",
    "una/DET cerca/NOUN rodea/VERB la/DET casa/NOUN de/ADP {whom}",
    "yo/PRON traje/VERB flores/NOUN de/ADP {place}",
    "{who} lleva/VERB un/DET traje/NOUN {colour}",
    "{who} trabaja/VERB mucho/ADV en/ADP {place}",
    "{who} tiene/VERB mucho/DET trabajo/NOUN en/ADP {place}",
    "{who} viajó/VERB hacia/ADP el/DET este/NOUN con/ADP {whom}",
    "este/DET tren/NOUN llega/VERB a/ADP {place} a/ADP las/DET {hour}",
    "{who} cree/VERB poder/AUX ganar/VERB en/ADP {place}",
    "{who} no/ADV quiere/VERB el/DET poder/NOUN",
    # joven, que, numbers
    "el/DET joven/NOUN que/PRON vive/VERB en/ADP {place} conoce/VERB a/ADP {whom}",
    "una/DET mujer/NOUN joven/ADJ saludó/VERB a/ADP {whom}",
    "{who} dijo/VERB que/SCONJ vive/VERB en/ADP {place}",
    "la/DET carta/NOUN que/PRON escribió/VERB {who} llegó/VERB a/ADP {place}",
    "el/DET {number} %/SYM de/ADP la/DET población/NOUN de/ADP {place} votó/VERB",
    "{who} nació/VERB en/ADP {year} en/ADP {place}",
    "{who} tiene/VERB {few} hijos/NOUN y/CCONJ {few} nietos/NOUN",
)
JOINTS = (
    "{a} ./PUNCT",
    "{a} ./PUNCT",
    "{a} y/CCONJ {b} ./PUNCT",
    "{a} ,/PUNCT pero/CCONJ {b} ./PUNCT",
    "{a} mientras/SCONJ {b} ./PUNCT",
    "aunque/SCONJ {a} ,/PUNCT {b} ./PUNCT",
    "{a} ;/PUNCT además/ADV ,/PUNCT {b} ./PUNCT",
    "{name} dice/VERB que/SCONJ {a} ./PUNCT",
    "{name} cuenta/VERB que/SCONJ {a} ./PUNCT",
    "¿/PUNCT {a} ?/PUNCT",
    "¡/PUNCT ay/INTJ ,/PUNCT {name} ,/PUNCT {a} !/PUNCT",
    "¡/PUNCT hola/INTJ ,/PUNCT {name} !/PUNCT {a} ./PUNCT",
)
TRAITS = in_both_genders(
    "joven/joven, viejo/vieja, amable/amable, simpático/simpática, famoso/famosa, "
    "jubilado/jubilada, extranjero/extranjera, tranquilo/tranquila, alegre/alegre, serio/seria"
)
"""Adjectives that stand behind a person, as (masculine, feminine)."""

QUALITIES = listed("larga, breve, tensa, amistosa, inútil, decisiva, aburrida, secreta")
COLOURS = listed("gris, negro, azul, verde, marrón, blanco")
FEW = listed("dos, tres, cuatro, cinco, seis, siete, ocho, nueve")
