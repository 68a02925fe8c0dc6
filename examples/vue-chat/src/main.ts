import { createWsc } from '@wsc/vue';
import { createApp } from 'vue';
import '../../chat/chat.css';
import { settings } from '../../chat/screen';
import Chat from './Chat.vue';

createApp(Chat).use(createWsc(settings())).mount('#app');
