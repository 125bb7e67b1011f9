"""Clauses of news items, with slots for names; the same word fills slots of different types."""

from benchmarks.sample.vocabulary.lists import listed

TOWNS = listed(
    "León, Toledo, Segovia, Soria, Ávila, Cuenca, Lugo, Zamora, Valencia, Burgos, Córdoba, "
    "Medina, Cáceres, Granada, Cádiz, Zaragoza, Aragón, Santiago, Almería, Madrid, Mendoza, "
    "Rosario, Mérida, Murcia, Salamanca, Sevilla, Villanueva, Belmonte, Torres, Campos, Sierra, "
    "Molina, Navarro, Guadalupe, Victoria, Montejo"
)
"""Words that are a surname, a place, a club or a title: only the rest of the sentence tells."""

CLAUSES = (
    # people
    "{person} presentó ayer su dimisión",
    "el delantero {surname} marcó en el último minuto",
    "{surname} declaró que no piensa marcharse",
    "la jueza {surname} escuchó a los testigos",
    "el médico de {surname} pidió paciencia",
    "{surname} , de {number} años , sufrió una caída",
    "los hijos de {person} heredaron la casa",
    "{person} y {surname} se saludaron con frialdad",
    "la ministra {surname} no quiso responder",
    "{surname} lloró al recibir la noticia",
    "según {surname} , faltaron pruebas",
    "su abuela , {person} , cumplió {number} años",
    "{surname} dimitió por motivos de salud",
    # places
    "el tren de {place} llegó con retraso",
    "llovió toda la noche en {place}",
    "los vecinos de {place} cortaron la carretera",
    "el mercado de {place} cierra los lunes",
    "viajaron desde {place} hasta {place} en autobús",
    "una nevada dejó aislada la comarca de {place}",
    "el incendio se acercó a {place}",
    "en las afueras de {place} apareció un coche",
    "{place} amaneció cubierta de nieve",
    "la temperatura en {place} bajó a {number} grados",
    "las calles de {place} quedaron vacías",
    # organisations
    "el {club} ganó por la mínima al {club}",
    "la plantilla del {club} no cobra desde enero",
    "el entrenador del {club} cambió el sistema",
    "los socios del {club} eligieron presidente",
    "el {club} fichó a un portero suplente",
    "{house} despidió a {number} empleados",
    "las acciones de {house} subieron un {number} por ciento",
    "un portavoz de {house} negó los hechos",
    "los clientes de {house} reclamaron su dinero",
    "{house} publicó sus cuentas",
    "el sindicato {acronym} convocó una huelga",
    "{acronym} rechazó el convenio",
    "la agencia {acronym} difundió la noticia",
    # works, prizes, contests
    "el premio {prize} quedó desierto",
    "se estrenó « {work} » con gran éxito",
    "la novela « {work} » agotó su primera edición",
    "el cuadro « {work} » fue robado",
    "la {contest} empieza el lunes",
    "el ganador de la {contest} dedicó su triunfo a la afición",
    "el congreso aprobó la {law}",
    "la {law} entra en vigor en enero",
    "la canción « {work} » suena en todas partes",
    # several at once
    "{person} llegó a {place} para fichar por el {club}",
    "{surname} dejó {house} tras {number} años",
    "{person} leyó en {place} un capítulo de « {work} »",
    "{surname} perdió la {contest} ante {surname}",
    "el {club} de {surname} cayó en {place}",
    "{house} abrirá una fábrica en {place}",
    "{acronym} y {house} firmaron un acuerdo en {place}",
    "{surname} recibió el premio {prize} en {place}",
    "el {club} , de {surname} , ganó la {contest}",
    "{person} defendió la {law} en {place}",
    "en {place} , {surname} habló de « {work} »",
    "{person} , de {house} , visitó {place}",
)
JOINTS = (
    "{a} .",
    "{a} .",
    "{a} y {b} .",
    "{a} , mientras {b} .",
    "{a} , aunque {b} .",
    "{a} ; además , {b} .",
    "{surname} contó que {a} .",
    "a última hora se supo que {a} y que {b} .",
    "cuando {a} , {b} .",
    "« {a} » , dijo {surname} .",
    "{place} , {day} de mayo . - {a} .",
)
ACRONYMS = listed("CGT, UPA, COAG, FETE, ANPE, CSIF, EFE, ACN, ONCE, USO, ELA, LAB")
LAWS = listed(
    "Ley de Aguas, Ley de Montes, Ley de Costas, Ley del Suelo, Ley de Caza, Ley de Teatro, Ley "
    "del Libro, Ley de Puertos, Ley de Museos"
)
CONTESTS = listed(
    "Copa del Rey, Copa de {place}, Vuelta a {place}, Feria de {place}, Liga de Campeones, Semana "
    "de {place}, Bienal de {place}, Copa {surname}, Maratón de {place}"
)
HOUSES = listed(
    "Caja {place}, Banco de {place}, Banco {surname}, Editorial {surname}, Hermanos {surname}, "
    "Universidad de {place}, Aceites {surname}, Transportes {surname}, Bodegas {place}, Minas de "
    "{place}, Aguas de {place}, Ayuntamiento de {place}, Real {place}, {surname} y Asociados, "
    "Hospital de {place}"
)
