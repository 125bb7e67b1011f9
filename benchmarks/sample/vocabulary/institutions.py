"""Kinds and names of institutions; the parts of a book's title."""

from benchmarks.sample.vocabulary.lists import listed, with_articles

KINDS = with_articles(
    "el Museo, la Fundación, el Banco, la Editorial, la Universidad, el Instituto, el "
    "Laboratorio, la Academia, el Hospital, la Biblioteca, el Teatro, la Orquesta, la Compañía, "
    "el Observatorio, la Cooperativa, el Centro"
)
PROPER = listed(
    "Alborada, Aurora, Atlántida, Cervera, Ciprés, Celeste, Galatea, Hispania, Iberia, Jacaranda, "
    "Lucero, Magallanes, Minerva, Monteverde, Numancia, Océano, Peñaflor, Quevedo, Ribera, "
    "Sagunto, Tartessos, Almazara, Valderrama, Zenit, Alhena, Boreal, Cantábrico, Dársena, "
    "Esmeralda, Faraday, Goya, Horizonte, Jovellanos, Lope, Meridiano, Nebrija, Orión, Poniente, "
    "Solana, Velázquez"
)
PUBLISHERS = listed(
    "Alfaguara, Renacimiento, Siruela, Acantilado, Trotta, Pegaso, Mirlo, Cálamo, Brújula, "
    "Almena, Farola, Tramontana, Girasol, Bitácora, Candil, Arrecife, Palabra, Tintero, Molinos, "
    "Arcadia"
)
PRIZES = listed(
    "Cervantes, Nadal, Planeta, Ondas, Goya, Galdós, Machado, Bécquer, Ariel, Clarín, Azorín, "
    "Lorca, Góngora, Quevedo, Larra, Rulfo"
)
TITLE_HEADS = listed(
    "La sombra, El camino, La voz, El jardín, La casa, El silencio, La noche, El espejo, La "
    "última carta, El viento, La memoria, El reloj, La ciudad, El invierno, La hija, El guardián, "
    "La isla, El secreto, La estación, El mapa, Las flores, Los nombres, Las llaves, Los hijos"
)
TITLE_TAILS = listed(
    "del río, del mar, de la lluvia, del bosque, de los pájaros, del tiempo, de la niebla, del "
    "faro, de las estrellas, del desierto, de la montaña, del relojero, de los ausentes, del "
    "norte, de la luna, del puerto, de las golondrinas, del exilio, de la nieve, del olvido"
)
