/** The agent ships alone, so it carries its own copy; a test holds it equal to package.json. */
export const AGENT_VERSION = '0.1.0'
