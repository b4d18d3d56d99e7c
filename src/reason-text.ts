/** Why a task waits, for a line that already says where it is. Imports nothing. */

/** `It is at salvage and waits for X.` → `waits for X`. */
export const reasonText = (sentence: string) =>
  sentence.replace(/^It (?:waits for a slot(?:: |, and )|is at \w+ and )?/, '').replace(/\.$/, '')
