/** What the rest of tdf uses. Types alone are best imported from schema.ts. */
export { type ConfigChange, changesOf, describeConfig } from './describe.ts'
export { exampleToml } from './example.ts'
export { configJsonSchema } from './json-schema.ts'
export { parseListen } from './listen.ts'
export { type LoadedConfig, loadConfig } from './load.ts'
export { configTables } from './manual.ts'
export { type Config, defaultConfig } from './schema.ts'
