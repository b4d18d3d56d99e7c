import { realAgent } from './suite.ts'

realAgent('opencode')
