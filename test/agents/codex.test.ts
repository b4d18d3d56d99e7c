import { realAgent } from './suite.ts'

realAgent('codex')
