"""Cities, rivers, the parts of the names of small towns, and what a town is known for."""

from benchmarks.sample.vocabulary.lists import listed, with_articles

CITIES = listed(
    "Cádiz, Jaén, Salamanca, Sevilla, Granada, Córdoba, Málaga, Almería, Huelva, Murcia, "
    "Alicante, Valencia, Castellón, Tarragona, Barcelona, Girona, Lérida, Huesca, Zaragoza, "
    "Teruel, Pamplona, Bilbao, Vitoria, Santander, Oviedo, Gijón, Lugo, Vigo, Pontevedra, Orense, "
    "León, Zamora, Palencia, Burgos, Soria, Segovia, Ávila, Toledo, Cuenca, Albacete, "
    "Guadalajara, Badajoz, Cáceres, Mérida, Logroño, Madrid, Valladolid, Lima, Quito, Bogotá, "
    "Caracas, Montevideo, Rosario, Mendoza, Valparaíso, Cuzco, Puebla, Monterrey, La Habana, San "
    "José, Buenos Aires, Santa Cruz, Lisboa, Oporto"
)
RIVERS = listed(
    "Duero, Ebro, Tajo, Guadiana, Guadalquivir, Júcar, Segura, Miño, Sil, Esla, Tormes, Pisuerga, "
    "Arlanza, Jalón, Cinca, Segre, Genil, Tinto, Odiel, Nalón, Navia, Nervión, Bidasoa, Turia, "
    "Jarama, Henares, Alberche, Tiétar, Alagón, Cabriel, Arga, Aragón, Gállego, Eresma, Cega, "
    "Adaja"
)
TOWN_HEADS = listed(
    "Villanueva, Torrealba, Fuentespina, Robledo, Castrillo, Pozuelo, Aldeamayor, Peñalba, "
    "Montejo, Hinojosa, Carrascal, Navalmoral, Valdeoliva, Encinar, Olmillos, Santibáñez, "
    "Villaverde, Mirabel, Almendral, Cantalejo, Piedrahíta, Quintanilla, Riofrío, Sotillo, "
    "Tejeda, Zarzuela, Collado, Belmonte, Cerezo, Higueruela, Losar, Manzanares, Palomares, "
    "Retamar, Salinas, Tomelloso, Viñuela, Alameda"
)
TOWN_TAILS = listed(
    "de la Sierra, del Río, de los Caballeros, del Campo, de la Ribera, del Rey, de Arriba, de "
    "Abajo, del Monte, de la Vega, de los Montes, del Puerto, de la Reina, del Valle, de las "
    "Torres, del Conde"
)
PRODUCTS = with_articles(
    "el aceite, el azafrán, el queso, el vino, el jamón, el chorizo, el turrón, el pimentón, el "
    "corcho, el esparto, el mármol, el encaje, la miel, la cerámica, la sidra, la sal, la lana, "
    "la seda, la cera, la pizarra, la lavanda, la trufa"
)
MONUMENTS = with_articles(
    "el castillo, el acueducto, el monasterio, el puente, el palacio, el molino, el convento, el "
    "teatro, el faro, el claustro, la ermita, la muralla, la basílica, la plaza, la torre, la "
    "judería, la fuente, la lonja, la colegiata, la calzada"
)
MONTHS = listed(
    "enero, febrero, marzo, abril, mayo, junio, julio, agosto, septiembre, octubre, noviembre, "
    "diciembre"
)
