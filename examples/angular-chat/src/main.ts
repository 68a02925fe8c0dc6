import { bootstrapApplication } from '@angular/platform-browser';
import { provideWsc } from '@wsc/angular';
import { settings } from '../../chat/screen';
import { Chat } from './chat';

await bootstrapApplication(Chat, { providers: [provideWsc(settings())] });
