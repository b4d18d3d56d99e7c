/** Why the agent does not start; each has an exit code of its own. */
export class StateInUse extends Error {}
export class AddressInUse extends Error {}
export class Misconfigured extends Error {}
