/*
 * Wrong CoreWeave clients on purpose, one bug each (sbc_mutants.h says why).  The list is cwc_mutants.def; without
 * SBC_MUTANTS every mutant is the constant false.
 */
#ifndef CWC_MUTANTS_H
#define CWC_MUTANTS_H

#ifndef SBC_MUTANTS

#define CWC_MUTANT(name) 0

#else

#include <stdio.h>

enum cwc_mutant {
    CWC_MUTANT_none,
#define CWC_MUTANT_ROW(name, versions, what, imitates) CWC_MUTANT_##name,
#include "cwc_mutants.def"
#undef CWC_MUTANT_ROW
    CWC_MUTANTS_COUNT
};

/* Set once, before the first client is made. */
extern enum cwc_mutant cwc_mutants_chosen;

#define CWC_MUTANT(name) (cwc_mutants_chosen == CWC_MUTANT_##name)

/* By name, with "-" for "_"; -1: there is none. */
int cwc_mutants_choose(const char *name);

/* All of them, as JSON lines. */
void cwc_mutants_list(FILE *out);

#endif

#endif
