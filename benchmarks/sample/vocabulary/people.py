"""Given names, surnames, professions, studies, instruments."""

from benchmarks.sample.vocabulary.lists import in_both_genders, listed, with_articles

WOMEN = listed(
    "Marta, Lucía, Elena, Carmen, Inés, Rosa, Pilar, Teresa, Julia, Clara, Irene, Nuria, Beatriz, "
    "Alicia, Sofía, Laura, Raquel, Cristina, Silvia, Victoria, Adela, Aurora, Blanca, Cecilia, "
    "Dolores, Emilia, Estela, Gloria, Isabel, Leonor, Mónica, Noelia, Olga, Paula, Rocío, Sara, "
    "Susana, Verónica, Ángela, Belén, Consuelo, Eva, Flora, Lola, Matilde, Mercedes, Patricia, "
    "Ramona, Yolanda, Esperanza"
)
MEN = listed(
    "Pedro, Javier, Andrés, Manuel, Luis, Tomás, Diego, Rafael, Sergio, Pablo, Hugo, Álvaro, "
    "Ramón, Félix, Ignacio, Joaquín, Marcos, Óscar, Raúl, Víctor, Alberto, Bernardo, Carlos, "
    "Daniel, Emilio, Esteban, Fernando, Gabriel, Gonzalo, Jaime, Jorge, José, Julián, Lorenzo, "
    "Martín, Mateo, Miguel, Nicolás, Rubén, Salvador, Simón, Vicente, Agustín, Arturo, Benito, "
    "Eduardo, Ernesto, Fermín, Leandro, Santiago"
)
SURNAMES = listed(
    "Ibáñez, Soler, Pardo, Quiroga, Navarro, Ferrer, Molina, Castaño, Vidal, Romero, Serrano, "
    "Campos, Prieto, Gallego, Cabrera, Fuentes, Herrero, Lozano, Marín, Nieto, Ortega, Peña, "
    "Rojas, Salas, Tejada, Ureña, Vargas, Zapata, Aguilar, Bravo, Carrasco, Duarte, Escudero, "
    "Franco, Garrido, Hidalgo, Izquierdo, Jurado, Luque, Méndez, Núñez, Olivares, Parra, "
    "Quintana, Redondo, Sáez, Trujillo, Urbano, Valero, Yáñez, Zorrilla, Acosta, Benítez, Calvo, "
    "Delgado, Espinosa, Figueroa, Guerrero, Heredia, Iglesias, Jiménez, Lorente, Manzano, "
    "Noriega, Olmedo, Palacios, Ramírez, Santana, Toro, Varela, Arroyo, Barrios, Cordero, "
    "Domínguez, Estrada, Flores, Galán, Huerta, Lara, Mora, Otero, Pineda, Rivas, Sierra, Torres, "
    "Vega"
)

PROFESSIONS = in_both_genders(
    "escultor/escultora, pintor/pintora, médico/médica, abogado/abogada, arquitecto/arquitecta, "
    "ingeniero/ingeniera, maestro/maestra, químico/química, físico/física, biólogo/bióloga, "
    "geólogo/geóloga, historiador/historiadora, traductor/traductora, fotógrafo/fotógrafa, "
    "escritor/escritora, actor/actriz, cocinero/cocinera, farmacéutico/farmacéutica, "
    "veterinario/veterinaria, enfermero/enfermera, carpintero/carpintera, ceramista/ceramista, "
    "periodista/periodista, juez/jueza, astrónomo/astrónoma, editor/editora, librero/librera, "
    "relojero/relojera, dentista/dentista, bailarín/bailarina"
)
"""Each as (masculine, feminine)."""

STUDIES = listed(
    "Derecho, Medicina, Filosofía, Bellas Artes, Historia, Economía, Matemáticas, Química, "
    "Física, Biología, Farmacia, Veterinaria, Arquitectura, Geografía, Filología, Periodismo, "
    "Psicología, Geología, Pedagogía, Sociología, Música, Teología, Astronomía, Enfermería"
)
INSTRUMENTS = with_articles(
    "el piano, el violín, el violonchelo, el contrabajo, el clarinete, el oboe, el fagot, el "
    "saxofón, el acordeón, el laúd, el órgano, el trombón, la guitarra, la flauta, la trompeta, "
    "la viola, la gaita, la bandurria, la zanfona, la mandolina"
)
