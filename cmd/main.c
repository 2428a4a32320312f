// SPDX-License-Identifier: MIT
/*
 * main.c - the table of verbs, nothing else.
 */
#include <stdio.h>

int main(void)
{
	puts("minivmm " MINIVMM_VERSION);
	return 0;
}
