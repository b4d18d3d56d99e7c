/** What the rest of tdf uses. Types alone are best imported from schema.ts. */

export { type LoadedConfig, loadConfig } from './load/load.ts'
export { parseListen } from './schema/listen.ts'
export { type Config, defaultConfig } from './schema/schema.ts'
export { type ConfigChange, changesOf, describeConfig } from './show/describe.ts'
export { exampleToml } from './show/example.ts'
export { configJsonSchema, configTables } from './show/manual.ts'
