/** What the rest of tdf uses. Types alone are best imported from schema.ts. */
export { type ConfigRow, describeConfig } from './describe.ts'
export { exampleToml } from './example.ts'
export { type ConfigFile, type ReadFile, readConfigFile } from './file.ts'
export { configJsonSchema } from './json-schema.ts'
export { type ListenAddress, parseListen } from './listen.ts'
export { type LoadedConfig, type LoadOptions, loadConfig } from './load.ts'
export { type AgentConfig, type Config, defaultConfig, type LogLevel, type StaticNodeConfig } from './schema.ts'
export { type Origin, originText } from './tree.ts'
