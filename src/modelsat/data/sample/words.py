"""Word lists of the questions, written by hand."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _table(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_words(line) for line in text.strip().splitlines())


PEOPLE = _words("Amara Bruno Chen Dalia Emil Farah Goran Hana Ines Jonas Kofi Leila Milan")

KINDS = _words(
    "brills tovans nerps quells mardles fitches gromes lunders pessels varrows jontas hibbets cralls dommers"
)
"""Made-up plurals: nothing is known about them but what a question says."""

OBJECTS = _table(
    """
    key keys
    letter letters
    painting paintings
    bottle bottles
    lamp lamps
    ladder ladders
    basket baskets
    coin coins
    map maps
    chair chairs
    """
)
"""Nouns in singular and plural."""

ADJECTIVES = _words("old green heavy narrow bright wooden quiet broken tall warm small dusty blue round")

STRINGS = _words(
    """
    lantern window pepper basket planet ribbon castle meadow copper violin harbour saddle pillow garden thunder
    feather mirror button candle forest glacier hammer island jacket kettle lemon marble needle orchard pocket
    """
)
"""What the string programs start from, in small letters without accents."""

SPELLINGS = _table(
    """
    piece peice peece
    weird wierd weerd
    height heigth hieght
    rhythm rythm rhythym
    arctic arcktic arctick
    friend freind frend
    foreign foriegn foregin
    library libary libery
    grammar grammer gramar
    believe beleive belive
    receive recieve receve
    argument arguement argumant
    tomorrow tommorow tomorow
    separate seperate separete
    surprise suprise surprice
    parallel paralel parrallel
    humorous humerous humorus
    beginning begining beggining
    embarrass embarass embarras
    necessary neccessary necesary
    recommend recomend reccommend
    privilege priviledge privelege
    committee commitee comittee
    guarantee garantee guarentee
    vegetable vegtable vegatable
    miniature minature miniture
    hierarchy heirarchy hierachy
    knowledge knowlege knowladge
    disappear dissapear disapear
    conscience concience consience
    occurrence occurence occurrance
    millennium millenium milennium
    government goverment governmant
    definitely definately definitly
    restaurant restaraunt resturant
    thoroughly thoroughley thorougly
    experience experiance expirience
    possession posession possesion
    successful succesful sucessful
    laboratory labratory laboritory
    immediately immediatly imediately
    independent independant indipendent
    maintenance maintainance maintenence
    environment enviroment enviorment
    accommodate accomodate acommodate
    bureaucracy beaurocracy bureaucrasy
    mischievous mischievious mischeivous
    opportunity oportunity oppurtunity
    fluorescent flourescent fluorescant
    entrepreneur entreprenuer enterpreneur
    acquaintance aquaintance acquaintence
    perseverance perserverance perseverence
    simultaneous simultanious simultaneus
    conscientious conscientous concientious
    questionnaire questionaire questionnare
    pronunciation pronounciation pronunciacion
    """
)
"""A word and two wrong spellings of it that are no words themselves; short words first."""

SYNONYMS = _table(
    """
    big large huge immense gargantuan
    small little tiny miniature diminutive
    happy glad cheerful joyful jubilant
    angry furious irate livid incensed
    fast quick rapid swift expeditious
    begin start commence initiate inaugurate
    end finish conclude terminate cease
    brave bold courageous valiant intrepid
    clever smart intelligent astute sagacious
    rich wealthy affluent prosperous opulent
    sad unhappy gloomy sorrowful doleful
    hide conceal disguise mask camouflage
    help aid assist support succour
    lazy idle sluggish slothful indolent
    old aged ancient archaic antediluvian
    shy timid bashful reserved diffident
    strange odd unusual peculiar anomalous
    wet damp moist soggy sodden
    thin slim lean slender svelte
    stubborn headstrong obstinate inflexible intransigent
    kind caring compassionate benevolent magnanimous
    famous celebrated renowned eminent illustrious
    tired weary exhausted fatigued enervated
    copy imitate mimic replicate emulate
    break smash shatter fracture splinter
    give donate grant bestow endow
    steal rob swipe pilfer purloin
    hungry peckish starving famished ravenous
    cold chilly frosty icy frigid
    dangerous risky unsafe hazardous perilous
    """
)
"""Five words of nearly one meaning, from common to rare; no two lines share a meaning."""

LANGUAGES = ("English", "French", "German", "Spanish", "Italian")

TRANSLATIONS = _table(
    """
    dog chien Hund perro cane
    cat chat Katze gato gatto
    house maison Haus casa casa
    bread pain Brot pan pane
    water eau Wasser agua acqua
    milk lait Milch leche latte
    tree arbre Baum árbol albero
    book livre Buch libro libro
    door porte Tür puerta porta
    window fenêtre Fenster ventana finestra
    night nuit Nacht noche notte
    sun soleil Sonne sol sole
    moon lune Mond luna luna
    snow neige Schnee nieve neve
    rain pluie Regen lluvia pioggia
    horse cheval Pferd caballo cavallo
    bird oiseau Vogel pájaro uccello
    apple pomme Apfel manzana mela
    cheese fromage Käse queso formaggio
    butter beurre Butter mantequilla burro
    honey miel Honig miel miele
    sugar sucre Zucker azúcar zucchero
    salt sel Salz sal sale
    bridge pont Brücke puente ponte
    church église Kirche iglesia chiesa
    school école Schule escuela scuola
    knife couteau Messer cuchillo coltello
    spoon cuillère Löffel cuchara cucchiaio
    fork fourchette Gabel tenedor forchetta
    garden jardin Garten jardín giardino
    island île Insel isla isola
    hand main Hand mano mano
    head tête Kopf cabeza testa
    ear oreille Ohr oreja orecchio
    summer été Sommer verano estate
    winter hiver Winter invierno inverno
    autumn automne Herbst otoño autunno
    star étoile Stern estrella stella
    king roi König rey re
    queen reine Königin reina regina
    brother frère Bruder hermano fratello
    flower fleur Blume flor fiore
    stone pierre Stein piedra pietra
    shirt chemise Hemd camisa camicia
    bed lit Bett cama letto
    chair chaise Stuhl silla sedia
    city ville Stadt ciudad città
    """
)
"""Everyday nouns in the order of `LANGUAGES`."""

PAST_TENSES = _table(
    """
    begin began begun
    break broke broken
    choose chose chosen
    draw drew drawn
    drink drank drunk
    drive drove driven
    eat ate eaten
    fall fell fallen
    fly flew flown
    forget forgot forgotten
    freeze froze frozen
    give gave given
    go went gone
    grow grew grown
    hide hid hidden
    know knew known
    ride rode ridden
    ring rang rung
    rise rose risen
    see saw seen
    shake shook shaken
    sing sang sung
    speak spoke spoken
    steal stole stolen
    swim swam swum
    take took taken
    tear tore torn
    throw threw thrown
    wear wore worn
    write wrote written
    """
)
"""A verb, its past tense, and a form that is not its past tense."""

PLURALS = _table(
    """
    baby babies babys
    berry berries berrys
    box boxes boxs
    calf calves calfs
    child children childs
    church churches churchs
    city cities citys
    crisis crises crisises
    foot feet foots
    goose geese gooses
    half halves halfs
    knife knives knifes
    leaf leaves leafs
    life lives lifes
    loaf loaves loafs
    man men mans
    ox oxen oxes
    potato potatoes potatos
    sheep sheep sheeps
    shelf shelves shelfs
    thesis theses thesises
    thief thieves thiefs
    tomato tomatoes tomatos
    tooth teeth tooths
    wife wives wifes
    wolf wolves wolfs
    woman women womans
    """
)
"""A noun, its plural, and a form that is not its plural."""
