import './base.css';
import './panel.css';
import './cells.css';
