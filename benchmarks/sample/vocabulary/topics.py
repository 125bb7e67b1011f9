"""Sentences of news about four topics, with slots; many words belong to more than one topic."""

from collections.abc import Mapping

_CULTURE = (
    "{person} presentó en {city} su última novela",
    "la orquesta de {town} estrenó una obra de {person}",
    "el museo de {town} expone {number} cuadros de {person}",
    "{person} ganó el certamen de poesía de {town}",
    "la nueva película de {person} se rodó en {town}",
    "{person} dirige el festival de teatro de {town}",
    "la banda de {person} empieza su gira en {city} en {month}",
    "{person} interpretó al piano {few} piezas en {town}",
    "el público de {city} aplaudió en pie a {person}",
    "la biblioteca de {town} guarda {number} cartas de {person}",
    "{person} firmó un contrato para grabar {few} discos en {city}",
    "la campaña de lectura de {town} llega a {number} escuelas",
    "{person} recuperó en {city} un guion perdido de {year}",
    "la compañía de {person} representa una comedia en {town}",
    "el jurado de {town} premió un documental de {person}",
    "{person} restaura los frescos de la ermita de {town}",
)
_SPORT = (
    "{person} marcó {few} goles en el campo de {town}",
    "el equipo de {town} ganó el partido con un gol de {person}",
    "{person} ganó la etapa que terminaba en {town}",
    "el estadio de {town} se llenó para ver a {person}",
    "{person} batió en {city} el récord de salto de {year}",
    "la selección entrena en {town} a las órdenes de {person}",
    "{person} perdió en {city} la final de tenis de {year}",
    "el club de {town} presentó a {person} como portero",
    "una lesión aparta a {person} de la liga hasta {month}",
    "{person} firmó un contrato por {few} temporadas con el club de {town}",
    "la afición de {town} recibió en pie a {person}",
    "{person} dirige desde {year} la escuela de remo de {town}",
    "el árbitro expulsó a {person} en el campo de {town}",
    "{person} corrió en {city} su maratón número {number}",
    "el jurado de gimnasia dio {few} puntos a {person} en {city}",
    "{person} nadará en {month} la travesía de {town}",
)
_ECONOMY = (
    "la fábrica de {town} contratará a {number} personas en {month}",
    "{person} compró el {number} por ciento de las acciones de una bodega de {town}",
    "las ventas de la cooperativa de {town} subieron un {number} por ciento",
    "{person} presentó en {city} las cuentas del banco",
    "el precio de la vivienda en {town} bajó un {few} por ciento desde {year}",
    "{person} dirige la sucursal del banco en {town}",
    "la campaña de la aceituna da trabajo a {number} familias de {town}",
    "{person} invertirá {number} millones en un parque industrial de {town}",
    "los sindicatos firmaron en {town} el convenio con la empresa de {person}",
    "la deuda de la empresa de {person} llega a {number} millones",
    "las exportaciones de {town} crecieron gracias a la empresa de {person}",
    "{person} abrió en {town} una tienda con {few} empleados",
    "el salario medio en {town} subió un {few} por ciento en {year}",
    "la bolsa de {city} castigó a la compañía de {person}",
    "{person} pidió en {city} un crédito para su taller de {town}",
    "el consejo de la naviera de {city} eligió a {person} como gerente",
)
_POLITICS = (
    "{person} ganó las elecciones municipales de {town}",
    "el alcalde de {town} cesó a {person} en el pleno",
    "{person} presentó en {city} una moción de censura",
    "el partido de {person} perdió {few} concejales en {town}",
    "la oposición de {town} pidió la dimisión de {person}",
    "{person} defendió en el congreso la ley de {year}",
    "el pleno de {town} aprobó las cuentas con {number} votos",
    "la ministra recibió en {city} a {person} y a los alcaldes de la comarca de {town}",
    "{person} empieza en {city} su campaña para las elecciones de {month}",
    "el gobierno envió a {person} a negociar en {city}",
    "{person} dirige desde {year} el grupo parlamentario",
    "los diputados debatieron en {month} la enmienda de {person}",
    "{person} firmó en {city} el pacto de gobierno con {few} partidos",
    "el senado escuchará en {month} a {person}",
    "la junta electoral de {town} anuló {number} votos",
    "{person} dejó el escaño de {city} tras {few} años",
)

TOPICS: Mapping[str, tuple[str, ...]] = {
    "cultura": _CULTURE,
    "deportes": _SPORT,
    "economía": _ECONOMY,
    "política": _POLITICS,
}
"""The topics by their labels, in their order."""
